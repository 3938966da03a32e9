// What an SQNR at the outputs says of a model, in dB.

/** Below this a model does not do its job any more. */
export const DEAD_SQNR_DB = 5
/** Noise of a hundredth of the signal's power. */
export const GOOD_SQNR_DB = 20
