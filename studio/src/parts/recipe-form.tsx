// The form of a command, made from its schema: a new command or option appears by itself.

import type { Field, Values } from './fields.ts'
import { PathField } from './file-picker.tsx'

export interface RecipeFormProps {
  readonly fields: readonly Field[]
  readonly values: Values
  readonly onChange: (name: string, value: string) => void
}

export function RecipeForm({ fields, values, onChange }: RecipeFormProps) {
  const draw = (field: Field) => (
    <FormField
      key={field.name}
      field={field}
      value={values[field.name] ?? field.initial}
      onChange={(value) => onChange(field.name, value)}
    />
  )
  const more = fields.filter(({ first }) => !first)
  return (
    <>
      <div class="fields">{fields.filter(({ first }) => first).map(draw)}</div>
      {more.length > 0 && (
        <details class="more">
          <summary>More options</summary>
          <div class="fields">{more.map(draw)}</div>
        </details>
      )}
    </>
  )
}

interface FormFieldProps {
  readonly field: Field
  readonly value: string
  readonly onChange: (value: string) => void
}

function FormField({ field, value, onChange }: FormFieldProps) {
  const { name, label, kind, help, choices, required } = field
  const [id, helpId] = [`field-${name}`, `help-${name}`]
  const described = help === '' ? undefined : helpId
  return (
    <div class={`field ${kind}`}>
      <label for={id}>
        {label}
        {required && <span class="needed"> (needed)</span>}
      </label>
      {kind === 'choice' ? (
        <select
          id={id}
          value={value}
          aria-describedby={described}
          onChange={(event) => onChange(event.currentTarget.value)}
        >
          {!choices.includes(value) && <option value={value} />}
          {choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </select>
      ) : kind === 'tick' ? (
        <input
          id={id}
          type="checkbox"
          checked={value === 'true'}
          aria-describedby={described}
          onChange={(event) => onChange(String(event.currentTarget.checked))}
        />
      ) : kind === 'path' ? (
        <PathField
          id={id}
          value={value}
          onChange={onChange}
          label={label.toLowerCase()}
          folders={name === 'data' || name === 'val'}
          required={required}
          {...(described ? { describedBy: described } : {})}
        />
      ) : (
        <TextInput
          id={id}
          field={field}
          value={value}
          onChange={onChange}
          {...(described ? { describedBy: described } : {})}
        />
      )}
      {help !== '' && (
        <p class="help" id={helpId}>
          {help}
        </p>
      )}
    </div>
  )
}

interface TextInputProps extends FormFieldProps {
  readonly id: string
  readonly describedBy?: string
}

function TextInput({ id, field, value, onChange, describedBy }: TextInputProps) {
  const shared = {
    id,
    value,
    required: field.required,
    autocomplete: 'off',
    'aria-describedby': describedBy,
    onInput: (event: { readonly currentTarget: HTMLInputElement }) => onChange(event.currentTarget.value),
  } as const
  if (field.kind === 'number') return <input type="number" step="any" {...shared} />
  const hint = field.kind === 'list' ? 'comma-separated' : field.kind === 'shape' ? 'name:1x3x224x224' : ''
  return <input type="text" spellcheck={false} placeholder={hint} {...shared} />
}
