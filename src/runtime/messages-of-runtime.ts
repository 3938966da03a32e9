// ONNX Runtime's messages without what only its makers read: source files, C++ signatures, phrases around a node's name.

/** One line: the node and its operator where the message has them, and what is wrong. */
export function tidy(message: string): string {
  return withoutSources(message.replace(/\s+/g, ' '))
    .replace(
      /^(?:Error: |Exception during initialization: |Exception during loading: |Load model from .*? failed: ?)+/,
      '',
    )
    .replace(/Exception during (?:initialization|loading): /g, '')
    .replace(
      /Non-zero status code returned while running (\S+) node\. ?Name: ?'([^']*)' ?(?:Status Message: )?/g,
      named,
    )
    .replace(/Can't (?:create a session|run the model)\. ERROR_CODE: \d+, ERROR_MESSAGE: /g, '')
    .replace(/failed to call Ort\w+\(\)\. ERROR_CODE: \d+, ERROR_MESSAGE: /g, '')
    .replace(/This is an invalid model\. /g, '')
    .replace(/In Node, ?\("([^"]*)", (\w+), .*? -> .*?\) ?, (?:Error )?/g, (_all, name, op) => named('', op, name))
    .replace(/Node ?\(([^()]*)\) Op ?\((\w+)\) /g, (_all, name, op) => named('', op, name))
    .replace(/Node(?: \([^()]*\))? with schema ?\(\S*?::(\w+):\d+\) has /g, 'it has ')
    .replace(/\[(?:ShapeInferenceError|TypeInferenceError)\] /g, '')
    .replace(/ ?onnxruntime::[\w:<>~]+(?:\([^()]*\))?(?: const)?/g, '')
    .replace(/^Error: /, '')
    .trim()
    .slice(0, 400)
}

function named(_all: string, op: string, name: string): string {
  return name === '' ? `a ${op} node: ` : `node "${name}" (${op}): `
}

/** Takes out "/file.cc:12 onnxruntime::common::Status onnxruntime::Foo::Compute(…) const", and the condition behind it. */
function withoutSources(message: string): string {
  const source = /[\w/\\.-]*\.(?:cc|cpp|cu|h|hpp):\d+ /
  let text = message
  for (let match = source.exec(text); match; match = source.exec(text)) {
    const before = text.slice(0, match.index)
    const behind = text.slice(match.index + match[0].length)
    text = before + withoutCondition(behind.slice(signatureLength(behind)))
  }
  return text
}

/** Length of the C++ signature that a text begins with; 0 when it begins with none. */
function signatureLength(text: string): number {
  const open = text.indexOf('(')
  if (open === -1 || !/^[\w:<>~*&, =$-]*$/.test(text.slice(0, open))) {
    // A name alone, as lambdas and operators have.
    return /^(?:[\w]+::)+\S+ /.exec(text)?.[0].length ?? 0
  }
  let depth = 0
  let end = open
  for (; end < text.length; end++) {
    if (text[end] === '(') depth++
    else if (text[end] === ')') depth--
    if (depth === 0 && (text[end + 1] === ' ' || end + 1 === text.length)) break
  }
  const rest = text.slice(end + 1)
  return end + 1 + (/^(?: const)?(?: \[with [^\]]*\])? ?/.exec(rest)?.[0].length ?? 0)
}

/** "a == b was false. Why" → "Why"; where nothing follows, that a check failed is all there is to say. */
function withoutCondition(text: string): string {
  const end = text.indexOf(' was false.')
  if (end === -1) return text
  const why = text.slice(end + ' was false.'.length).trim()
  return why === '' ? 'an inner check of ONNX Runtime failed' : why
}
