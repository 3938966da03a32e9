// How many elements a Slice takes along one axis.

/**
 * As ONNX counts: negative places are counted from the end, and places outside are moved to it. A negative step goes backwards, from
 * the last element at most, to behind the first at most.
 */
export function sliceSize(size: number, start: number, end: number, step: number): number {
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1]
  const inside = (place: number, lowest: number) => Math.min(Math.max(place < 0 ? place + size : place, lowest), high)
  const first = inside(start, Math.max(low, 0))
  return Math.max(0, Math.ceil((inside(end, low) - first) / step))
}
