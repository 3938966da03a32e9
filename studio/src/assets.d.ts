// What Vite makes of imports that are not modules.
declare module '*?url' {
  const url: string
  // biome-ignore lint/style/noDefaultExport: what Vite gives is a default export
  export default url
}
declare module '*?worker&url' {
  const url: string
  // biome-ignore lint/style/noDefaultExport: what Vite gives is a default export
  export default url
}
