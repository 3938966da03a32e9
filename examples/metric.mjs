// A metric of one's own: the accuracy of the class that fares worst, which top-1 hides. In a clone:
// onnxpress evaluate demo/model.onnx --data demo/test.json --preprocess demo/preprocess.json --metric examples/metric.mjs
// onnxpress compare demo/model.onnx model.int8.onnx --data demo/test.json --preprocess demo/preprocess.json --metric examples/metric.mjs

/** Position of the largest logit. */
function predicted({ data }) {
  let best = 0
  for (let i = 1; i < data.length; i++) if (data[i] > data[best]) best = i
  return best
}

export default {
  name: 'worst class',
  needsLabels: true,
  // Of one sample: no number yet, but what `total` needs.
  score: ({ outputs, label }) => ({ label, right: predicted(Object.values(outputs)[0]) === label }),
  // Of all samples; without `total` it is the mean.
  total(scores) {
    const classes = new Map()
    for (const { label, right } of scores) {
      const { hits, all } = classes.get(label) ?? { hits: 0, all: 0 }
      classes.set(label, { hits: hits + (right ? 1 : 0), all: all + 1 })
    }
    return Math.min(...[...classes.values()].map(({ hits, all }) => hits / all))
  },
}
