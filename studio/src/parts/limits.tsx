// What the page without a server cannot do, said where people begin.

export function Limits({ limits }: { readonly limits: readonly string[] }) {
  return (
    <>
      <p class="quiet">
        This page works without a server: models and pictures are read from your disk into this tab, and nothing is
        uploaded.
      </p>
      <details class="limits">
        <summary>What this page cannot do, and the command line can</summary>
        <ul>
          {limits.map((limit) => (
            <li key={limit}>{limit}</li>
          ))}
        </ul>
      </details>
    </>
  )
}
