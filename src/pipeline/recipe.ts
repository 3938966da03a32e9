// The recipes, by the name that the files of this room know.
export * from '../recipe/index.ts'
