// search: choosing under a budget — items and candidates, knapsack, greedy, monotone fit, evaluation cache.
// Imports only base; knows nothing of models.
export * from './cache.ts'
export * from './greedy.ts'
export * from './item.ts'
export * from './knapsack.ts'
export { type Border, cheapestSides, type TwoSides } from './min-cut.ts'
export * from './monotone.ts'
export * from './select-ratios.ts'
