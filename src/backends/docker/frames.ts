/** A piece of what came in frames; a long frame comes in several. */
export interface FramePiece {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

const HEADER_BYTES = 8;
const STDOUT = 1;

/**
 * Takes a stream of frames apart as it comes, however it is cut and whatever a frame's length: the stream's number, three
 * zeros, a length of four bytes, and the content (Docker Engine API, "ContainerAttach", stream format). What the engine
 * itself has to say counts as standard error.
 */
export class FrameReader {
  #header = Buffer.alloc(0);
  #stream: FramePiece['stream'] = 'stdout';
  #left = 0;

  push(chunk: Buffer): readonly FramePiece[] {
    const pieces: FramePiece[] = [];
    for (let at = 0; at < chunk.length;) {
      if (this.#left === 0) {
        const missing = HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, chunk.subarray(at, at + missing)]);
        at += missing;
        if (this.#header.length < HEADER_BYTES) break;
        this.#stream = this.#header[0] === STDOUT ? 'stdout' : 'stderr';
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
      } else {
        const data = chunk.subarray(at, at + this.#left);
        pieces.push({ stream: this.#stream, data });
        this.#left -= data.length;
        at += data.length;
      }
    }
    return pieces;
  }
}
