/** One entry of an archive. */
export interface TarHeader {
  /** Relative, with `/`. */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** Where a link leads. */
  readonly target?: string;
}

export const BLOCK_BYTES = 512;
const MAX_USTAR_SIZE = 0o77777777777;
const TYPES = { file: '0', folder: '5', link: '2' } as const;
/** Two empty blocks. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/**
 * The header of an entry (POSIX.1-2001, pax): owner root, and no time, so that the same files make the same archive.
 * What does not fit the fields of old stands in an extended header before it.
 */
export function tarHeader(header: TarHeader): Buffer {
  const name = header.kind === 'folder' && !header.name.endsWith('/') ? `${header.name}/` : header.name;
  const extended = new Map<string, string>();
  if (!fits(name)) extended.set('path', name);
  if (header.target !== undefined && !fits(header.target)) extended.set('linkpath', header.target);
  if (header.size > MAX_USTAR_SIZE) extended.set('size', String(header.size));
  const plain = block({ ...header, name }, TYPES[header.kind]);
  if (extended.size === 0) return plain;
  const records = Buffer.from([...extended].map(([key, value]) => record(key, value)).join(''), 'utf8');
  const before = block({ name: 'pax', kind: 'file', mode: 0o644, size: records.length }, 'x');
  return Buffer.concat([before, records, padding(records.length), plain]);
}

/** What fills the last block of an entry's content. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function block({ name, mode, size, target = '' }: TarHeader, type: string): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  bytes.write(name, 0, 100, 'utf8');
  writeOctal(bytes, 100, 8, mode & 0o7777);
  writeOctal(bytes, 108, 8, 0);
  writeOctal(bytes, 116, 8, 0);
  writeOctal(bytes, 124, 12, Math.min(size, MAX_USTAR_SIZE));
  writeOctal(bytes, 136, 12, 0);
  bytes.fill(' ', 148, 156);
  bytes.write(type, 156, 1, 'latin1');
  bytes.write(target, 157, 100, 'utf8');
  bytes.write('ustar\u000000', 257, 8, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 8, 'latin1');
  return bytes;
}

function writeOctal(bytes: Buffer, at: number, length: number, value: number): void {
  bytes.write(`${value.toString(8).padStart(length - 1, '0')}\u0000`, at, length, 'latin1');
}

function fits(text: string): boolean {
  return Buffer.byteLength(text) <= 100;
}

/** "LENGTH key=value\n", the length counting itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length = bytes + String(length).length;
  return `${length}${rest}`;
}
