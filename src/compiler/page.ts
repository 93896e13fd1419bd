/** Bytes of a tensor that a run of a loop's module computes at most: a page of WebAssembly's memory. */
export const PAGE = 2 ** 16;
