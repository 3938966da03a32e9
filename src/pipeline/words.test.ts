import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rangeSettings } from '../calibrate/index.ts'
import { metricNamed } from '../metrics/index.ts'
import { targets } from '../quantize/index.ts'
import { metricNames, passNames, rangeMethods, targetNames } from '../recipe/index.ts'
import { allPasses } from '../rewrite/passes.ts'

describe('the words of recipes', () => {
  it('name every range method', () =>
    assert.deepEqual(
      rangeMethods,
      rangeSettings.map(({ name }) => name),
    ))

  it('name every target', () =>
    assert.deepEqual(
      targetNames,
      targets.map(({ name }) => name),
    ))

  it('name every pass', () =>
    assert.deepEqual(
      passNames,
      allPasses.map(({ name }) => name),
    ))

  it('name metrics that there are', () =>
    assert.deepEqual(
      metricNames,
      metricNames.map((name) => metricNamed(name).name),
    ))
})
