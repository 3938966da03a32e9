// The page: hands the chosen files to the worker, says how far it is, and offers the result.
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
const status = document.querySelector('[role=status]')
const link = document.querySelector('a')

document.querySelector('input').addEventListener('change', ({ target }) => {
  const files = [...target.files]
  const isModel = ({ name }) => name.endsWith('.onnx')
  worker.postMessage({ model: files.find(isModel), pictures: files.filter((file) => !isModel(file)) })
})

worker.addEventListener('message', ({ data }) => {
  status.textContent = data.text
  if (!data.bytes) return
  link.href = URL.createObjectURL(new Blob([data.bytes]))
  link.hidden = false
})
