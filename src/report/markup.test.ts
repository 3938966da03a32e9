import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { escapeMarkup, markup, raw } from './markup.ts'

describe('markup', () => {
  it('escapes whatever is put in', () => {
    assert.equal(markup`<b title="${`"'`}">${'<script>&'}</b>`.text, '<b title="&quot;&#39;">&lt;script&gt;&amp;</b>')
    assert.equal(escapeMarkup('a\u0000\ud800'), 'a\ufffd\ufffd')
  })

  it('does not escape markup again, joins lists, and leaves nothing for undefined and false', () => {
    const inner = markup`<i>${'&'}</i>`
    assert.equal(markup`${[inner, 1, undefined, false, raw('<br/>')]}`.text, '<i>&amp;</i>1<br/>')
  })

  it('drops its own line breaks beside tags, keeps those of values', () => {
    const text = markup`
      <p>
        one
        two ${'a\nb'}
      </p>`.text
    assert.equal(text, '<p>one two a\nb</p>')
  })
})
