import type { ServerResponse } from 'node:http';
import { statusOf, type Failure } from './failure.ts';

const JSON_TYPE = 'application/json; charset=utf-8';

/** An answer that is there as a whole. */
export interface WholeAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export function jsonAnswer(value: unknown, status = 200): WholeAnswer {
  return { status, contentType: JSON_TYPE, text: JSON.stringify(value) };
}

export function failureAnswer(failure: Failure): WholeAnswer {
  return jsonAnswer({ error: failure }, statusOf(failure.code));
}

/** A client that has not taken it `withinMs` later is cut off: what waits for it is held in memory until then. */
export function send(response: ServerResponse, answer: WholeAnswer, withinMs: number): void {
  if (response.destroyed) return;
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.text),
    'cache-control': 'no-store',
  });
  response.end(answer.text);
  if ((response.socket?.writableLength ?? 0) === 0) return;
  const giveUp = setTimeout(() => response.destroy(), withinMs).unref();
  response.once('close', () => clearTimeout(giveUp));
}

/** The answer as bytes, for a connection whose request was not or could not be read. It is to be the last on it. */
export function rawAnswer(failure: Failure): string {
  const { status, contentType, text } = failureAnswer(failure);
  return (
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: ${contentType}\r\n` +
    `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}
