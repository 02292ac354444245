import { asRecord } from '../../core/util/record.ts';

/** Follows the messages of a pull and says in one line how far it is. */
export class PullProgress {
  readonly #image: string;
  readonly #layers = new Map<string, { current: number; total: number; done: boolean; again: boolean }>();

  constructor(image: string) {
    this.#image = image;
  }

  /** The line after this message; undefined where it changes nothing that would be shown. */
  take(message: unknown): string | undefined {
    const { id, status, progressDetail } = asRecord(message) ?? {};
    if (typeof id !== 'string' || typeof status !== 'string') return undefined;
    const layer = this.#layers.get(id);
    // The first message names the tag where others name a layer.
    if (
      layer === undefined &&
      !/^(pulling fs layer|waiting|already exists|downloading|extracting|pull complete)/i.test(status)
    ) {
      return undefined;
    }
    const { current, total } = asRecord(progressDetail) ?? {};
    const isDownload = status === 'Downloading';
    this.#layers.set(id, {
      current: isDownload && typeof current === 'number' ? current : (layer?.current ?? 0),
      total: isDownload && typeof total === 'number' ? total : (layer?.total ?? 0),
      done: /^(pull complete|already exists)/i.test(status),
      again: /^retrying/i.test(status),
    });
    return this.#line();
  }

  #line(): string {
    const layers = [...this.#layers.values()];
    const done = layers.filter((layer) => layer.done).length;
    const total = layers.reduce((sum, layer) => sum + layer.total, 0);
    const current = layers.reduce((sum, layer) => sum + (layer.done ? layer.total : layer.current), 0);
    const size = total === 0 ? '' : `, ${megabytes(current)} of ${megabytes(total)} MB`;
    const again = layers.some((layer) => layer.again) ? '; a download broke off and is tried again' : '';
    return `pulling ${this.#image}: ${done} of ${layers.length} layers${size}${again}`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
}

/** The id under which BuildKit's state comes in the stream of a build. */
const BUILDKIT_TRACE = 'moby.buildkit.trace';

/** The lines of a build's message, of either builder. */
export function buildLines(message: unknown): readonly string[] {
  const { stream, status, id, aux } = asRecord(message) ?? {};
  if (id === BUILDKIT_TRACE && typeof aux === 'string') return buildkitLines(Buffer.from(aux, 'base64'));
  const text = typeof stream === 'string' ? stream : typeof status === 'string' ? status : '';
  return nonEmpty(text);
}

/** The error a stream of messages reports, if this is one. */
export function reportedError(message: unknown): string | undefined {
  const { error, errorDetail } = asRecord(message) ?? {};
  const detail = asRecord(errorDetail)?.['message'];
  if (typeof detail === 'string') return detail;
  return typeof error === 'string' ? error : undefined;
}

function nonEmpty(text: string): readonly string[] {
  return text.split(/\r\n|\n|\r/).filter((line) => line.trim() !== '');
}

/** Fields of `moby.buildkit.v1.StatusResponse`, `Vertex` and `VertexLog` (BuildKit's control.proto). */
const STATUS = { vertexes: 1, logs: 3 } as const;
const VERTEX = { name: 3, cached: 4, started: 5, completed: 6 } as const;
const LOG = { message: 4 } as const;

function buildkitLines(status: Buffer): readonly string[] {
  const lines: string[] = [];
  for (const { field, bytes } of protobufFields(status)) {
    if (bytes === undefined) continue;
    const fields = protobufFields(bytes);
    const of = (number: number): Field | undefined => fields.find((each) => each.field === number);
    if (field === STATUS.logs) lines.push(...nonEmpty(of(LOG.message)?.bytes?.toString('utf8') ?? ''));
    if (field !== STATUS.vertexes) continue;
    const name = of(VERTEX.name)?.bytes?.toString('utf8') ?? '';
    if (of(VERTEX.cached)?.value === 1n && of(VERTEX.completed) !== undefined) lines.push(`${name} (cached)`);
    else if (of(VERTEX.started) !== undefined && of(VERTEX.completed) === undefined) lines.push(name);
  }
  return lines;
}

interface Field {
  readonly field: number;
  /** Of a varint. */
  readonly value?: bigint;
  /** Of what has a length. */
  readonly bytes?: Buffer;
}

/** The fields of a message in Protocol Buffers' wire format, as far as it is whole. */
export function protobufFields(message: Buffer): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at];
      if (byte === undefined) return undefined;
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < message.length) {
    const key = varint();
    if (key === undefined) break;
    const field = Number(key >> 3n);
    const type = Number(key & 7n);
    if (type === 0) {
      const value = varint();
      if (value === undefined) break;
      fields.push({ field, value });
    } else if (type === 2) {
      const length = varint();
      if (length === undefined || at + Number(length) > message.length) break;
      fields.push({ field, bytes: message.subarray(at, at + Number(length)) });
      at += Number(length);
    } else if (type === 1 || type === 5) {
      at += type === 1 ? 8 : 4;
    } else break;
  }
  return fields;
}
