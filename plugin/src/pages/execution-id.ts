// Whose execution it is, by its id. NocoBase counts the executions of a second from 0, sidehook from 32768
// (`src/ids.rs`): in the 16 bits of that number the highest tells.

const FIRST_OF_SIDEHOOK = 32_768n;

/** Of a text that may be the id of an execution, also as NocoBase writes it above a canvas: `#400080569925632`. */
export function isOfSidehook(text: string): boolean {
  const digits = /^#?(\d{10,19})$/.exec(text.trim())?.[1];
  return digits !== undefined && (BigInt(digits) & FIRST_OF_SIDEHOOK) !== 0n;
}
