// AIMET's encodings files, form 1.0.0 and form 2.0.0, both ways.
// The formats are those of aimet-onnx 2.42: `AffineEncoding._to_1_0_0` and `_to_2_0_0` in aimet_onnx/_encoding.py.
import * as z from 'zod'
import { InputError } from '../../base/index.ts'
import type { Encoding, Encodings } from './encoding.ts'

/** The versions that are written, by the words of the recipe. */
export const encodingVersions = { aimet: '1.0.0', 'aimet-2': '2.0.0' } as const
export type EncodingForm = keyof typeof encodingVersions

const numbers = z.array(z.number())
const positive = z.number().positive()

/** Offsets are those of unsigned codes: a signed 8-bit grid around 0 has −128. */
const firstEntry = z.looseObject({
  name: z.string(),
  dtype: z.enum(['INT', 'FLOAT']),
  bw: z.int().positive(),
  is_sym: z.boolean().exactOptional(),
  enc_type: z.string(),
  scale: z.array(positive).exactOptional(),
  offset: numbers.exactOptional(),
  zero_point_shift: numbers.exactOptional(),
})
const first = z.looseObject({
  version: z.literal('1.0.0'),
  activation_encodings: z.array(firstEntry),
  param_encodings: z.array(firstEntry),
})

const secondEntry = z.looseObject({
  name: z.string(),
  output_dtype: z.string(),
  y_scale: z.union([positive, z.array(positive), z.array(z.array(z.unknown()))]).exactOptional(),
  y_zero_point: z
    .union([z.int(), z.array(z.int()), z.array(z.array(z.unknown()))])
    .nullable()
    .exactOptional(),
  axis: z.int().nullable().exactOptional(),
  block_size: z.int().nullable().exactOptional(),
})
const second = z.looseObject({ version: z.enum(['2.0.0', '2.1.0']), encodings: z.array(secondEntry) })

/**
 * Reads a file of either form.
 * @param file what it is called in messages
 * @throws InputError when it is not such a file, or has grids of a kind that no integer file has (in blocks, with shifted zero points)
 */
export function readEncodings(json: unknown, file: string): Encodings {
  const { version } = z.looseObject({ version: z.unknown() }).safeParse(json).data ?? {}
  if (version === '1.0.0') return distinct(readFirst(parsed(first, json, file), file), file)
  if (version === '2.0.0' || version === '2.1.0') return distinct(readSecond(parsed(second, json, file), file), file)
  throw new InputError(
    `cannot read the encodings ${file}: expected AIMET's JSON of version 1.0.0 or 2.0.0, got ${version === undefined ? 'no version' : `version ${JSON.stringify(version)}`}; export them again with encoding_version="1.0.0"`,
    { file },
  )
}

/** The JSON of a form; biases, which form 1 leaves out as AIMET does, are those of 32 bits. */
export function writeEncodings(grids: readonly Encoding[], form: EncodingForm): object {
  const head = { producer: { package: 'onnxpress' }, version: encodingVersions[form] }
  if (form === 'aimet-2') return { ...head, encodings: grids.map(secondOf) }
  const of = (kind: Encoding['kind']) => grids.filter((each) => each.kind === kind && each.bits <= 16).map(firstOf)
  return { ...head, activation_encodings: of('activation'), param_encodings: of('parameter') }
}

function firstOf({ name, bits, signed, scale, zeroPoint, axis }: Encoding): object {
  const symmetric = signed && zeroPoint.every((zero) => zero === 0)
  const shift = signed ? 2 ** (bits - 1) : 0
  return {
    name,
    dtype: 'INT',
    bw: bits,
    is_sym: symmetric,
    enc_type: axis === undefined ? 'PER_TENSOR' : 'PER_CHANNEL',
    scale,
    offset: zeroPoint.map((zero) => -(zero + shift)),
  }
}

function secondOf({ name, bits, signed, scale, zeroPoint, axis }: Encoding): object {
  const one = <T>(list: readonly T[]) => (axis === undefined ? list[0] : list)
  return {
    name,
    output_dtype: `${signed ? '' : 'u'}int${bits}`,
    y_scale: one(scale),
    ...(zeroPoint.some((zero) => zero !== 0) ? { y_zero_point: one(zeroPoint) } : {}),
    ...(typeof axis === 'number' ? { axis } : {}),
  }
}

function readFirst({ activation_encodings, param_encodings }: z.output<typeof first>, file: string): Encodings {
  const all = [
    ...activation_encodings.map((entry) => ({ entry, kind: 'activation' as const })),
    ...param_encodings.map((entry) => ({ entry, kind: 'parameter' as const })),
  ]
  const grids: Encoding[] = []
  for (const { entry, kind } of all) {
    if (entry.dtype === 'FLOAT') continue
    const { name, bw: bits, is_sym: signed = false, scale = [], offset = [], enc_type, zero_point_shift = [] } = entry
    if (enc_type !== 'PER_TENSOR' && enc_type !== 'PER_CHANNEL') throw inBlocks(name, file)
    if (zero_point_shift.some((shift) => shift !== 0))
      throw new InputError(
        `"${name}" of the encodings ${file} has a shifted zero point, which no integer file can hold`,
        {
          file,
          tensor: name,
        },
      )
    const shift = signed ? 2 ** (bits - 1) : 0
    const zeroPoint = offset.map((each) => 0 - each - shift)
    sameLength(name, scale, zeroPoint, file)
    const channels = enc_type === 'PER_CHANNEL' ? { axis: 'unsaid' as const } : {}
    grids.push({ name, kind, bits, signed, scale, zeroPoint, ...channels })
  }
  return { file, grids, float: all.flatMap(({ entry }) => (entry.dtype === 'FLOAT' ? [entry.name] : [])) }
}

function readSecond({ encodings }: z.output<typeof second>, file: string): Encodings {
  const grids: Encoding[] = []
  const float: string[] = []
  for (const { name, output_dtype, y_scale, y_zero_point, axis, block_size } of encodings) {
    const [, unsigned, bits] = /^(u?)int(\d+)$/.exec(output_dtype) ?? []
    if (bits === undefined) {
      float.push(name)
      continue
    }
    const scale = flat(y_scale)
    const zeroPoint = y_zero_point == null ? scale?.map(() => 0) : flat(y_zero_point)
    if (block_size || !scale || !zeroPoint) throw inBlocks(name, file)
    sameLength(name, scale, zeroPoint, file)
    grids.push({ name, bits: Number(bits), signed: !unsigned, scale, zeroPoint, ...(axis == null ? {} : { axis }) })
  }
  return { file, grids, float }
}

/** A list of numbers; undefined for a table of them. */
function flat(values: number | readonly number[] | readonly unknown[][] | undefined): readonly number[] | undefined {
  if (typeof values === 'number') return [values]
  return values?.every((value) => typeof value === 'number') ? values : undefined
}

function parsed<T extends z.ZodType>(schema: T, json: unknown, file: string): z.output<T> {
  const { success, data, error } = schema.safeParse(json)
  if (success) return data
  const [issue] = error.issues
  throw new InputError(
    `cannot read the encodings ${file}: ${issue?.path.join('.') || 'it'}: ${issue?.message}; are they as AIMET wrote them?`,
    { file },
  )
}

/** One tensor, one grid. */
function distinct(encodings: Encodings, file: string): Encodings {
  const seen = new Set<string>()
  for (const name of [...encodings.grids.map((grid) => grid.name), ...encodings.float]) {
    if (seen.has(name))
      throw new InputError(`the encodings ${file} say two things of "${name}"; keep one of them`, {
        file,
        tensor: name,
      })
    seen.add(name)
  }
  return encodings
}

function sameLength(name: string, scale: readonly number[], zeroPoint: readonly number[], file: string): void {
  if (scale.length > 0 && scale.length === zeroPoint.length) return
  throw new InputError(
    `"${name}" of the encodings ${file} has ${scale.length} scales and ${zeroPoint.length} zero points; it needs as many of both, at least one`,
    { file, tensor: name },
  )
}

const inBlocks = (name: string, file: string) =>
  new InputError(
    `"${name}" of the encodings ${file} has a grid in blocks; only grids of whole tensors and of channels can be taken`,
    { file, tensor: name },
  )
