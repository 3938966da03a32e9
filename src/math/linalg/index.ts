// linear algebra on flat float64 matrices. Imports nothing but random numbers; big products come in as `Products`.
export * from './eigen.ts'
export * from './least-squares.ts'
export * from './matrix.ts'
export * from './products.ts'
export * from './ridge.ts'
export { addOuter, columnMeans, type Scatter, scatter } from './scatter.ts'
export * from './spd.ts'
export * from './svd.ts'
