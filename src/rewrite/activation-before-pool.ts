// MaxPool → Relu becomes Relu → MaxPool, so that the Relu fuses with the Conv before the pool. A rising map commutes with max.
import { clipBounds, factsOf, isOp } from '../onnx/index.ts'
import { editModel } from './edit-pass.ts'
import { defineRewrite, type Rewrite } from './rewrite.ts'

/**
 * Moves Relu, or Clip with constant bounds, from behind a MaxPool to between the pool and the layer before it. Exact:
 * max(f(x)) = f(max(x)) for rising f, and MaxPool pads with −∞. Only where both links are private.
 */
export const activationBeforePool: Rewrite = defineRewrite({
  name: 'activation-before-pool',
  kind: 'exact',
  summary: 'moves Relu and Clip from behind a MaxPool to the layer before it',
  apply: (model, context) =>
    editModel(model, context, (editor, log) => {
      for (const pool of editor.nodes('MaxPool')) {
        const [input, pooled] = [pool.inputs[0] ?? '', pool.outputs[0] ?? '']
        const activation = editor.soleConsumer(pooled)
        if (!activation || activation.inputs[0] !== pooled || pool.outputs.slice(1).some((name) => name !== ''))
          continue
        const rises =
          isOp(activation, 'Relu') || (isOp(activation, 'Clip') && clipBounds(activation, editor.constant.bind(editor)))
        const layer = editor.producer(input)
        if (!rises || !layer || !factsOf(layer).layer) continue
        if (editor.soleConsumer(input) !== pool) {
          log.left(activation, `stays behind ${pool.name}: what is pooled is used elsewhere too`)
          continue
        }
        const output = activation.outputs[0] ?? ''
        const active = editor.freshName(`${input}_active`)
        editor.setInput(activation, 0, input)
        editor.setOutput(activation, 0, active)
        editor.setInput(pool, 0, active)
        editor.setOutput(pool, 0, output)
        log.changed(activation, `moved before ${pool.name}`)
      }
    }),
})
