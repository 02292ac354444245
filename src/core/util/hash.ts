const OFFSET = 14_695_981_039_346_656_037n;
const PRIME = 1_099_511_628_211n;

/**
 * 64-bit FNV-1a of the text's UTF-16 code units, low byte first, as 16 hex digits: tells names apart without loading a
 * cryptographic library, and keeps nothing secret. Constants: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash
 * Algorithm" (IETF draft-eastlake-fnv).
 */
export function shortHash(text: string): string {
  let hash = OFFSET;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    for (const byte of [unit & 0xff, unit >> 8]) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME);
  }
  return hash.toString(16).padStart(16, '0');
}
