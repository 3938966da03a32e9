// The recipes, by the name that the files of this module know.
export * from '../recipe/index.ts'
