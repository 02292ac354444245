import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { busyboxArchive } from './engine.ts';

/** What the registry does besides what it should. */
export interface RegistryMood {
  /** `user:password` that it wants to be told. */
  readonly wants?: string;
  /** Answers everything with this status. */
  readonly status?: number;
  /** Breaks off in the midst of the layer. */
  readonly breaksOff?: boolean;
  /** Sends half of the layer and nothing more. */
  readonly stalls?: boolean;
}

const TYPES = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

/** As much of the registry's protocol (OCI distribution) as a pull needs, with one image that has the test's busybox. */
export class RegistryStub {
  readonly requests: string[] = [];
  /** Authorization headers that came. */
  readonly told: string[] = [];
  mood: RegistryMood = {};
  readonly #stalled: (() => void)[] = [];
  readonly #server: Server;
  readonly #blobs = new Map<string, Buffer>();
  #manifest = Buffer.alloc(0);
  #layer = '';

  static async start(): Promise<RegistryStub> {
    const stub = new RegistryStub();
    stub.offer({});
    await new Promise<void>((resolve) => stub.#server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /** Reached by an engine on this machine; one at 127.0.0.1 needs no TLS. */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on the image has these labels, and a layer that no engine has yet. */
  offer(labels: Readonly<Record<string, string>>): void {
    const archive = Buffer.concat([...busyboxArchive({ 'etc/edition': randomUUID() })]);
    const layer = gzipSync(archive);
    const config = Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        config: { Labels: labels, Cmd: ['sh', '-c', 'echo pulled'] },
        rootfs: { type: 'layers', diff_ids: [digest(archive)] },
      }),
    );
    this.#layer = digest(layer);
    this.#blobs.set(this.#layer, layer).set(digest(config), config);
    this.#manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: TYPES.manifest,
        config: { mediaType: TYPES.config, size: config.length, digest: digest(config) },
        layers: [{ mediaType: TYPES.layer, size: layer.length, digest: this.#layer }],
      }),
    );
  }

  /** Of the image as it is offered now. */
  get digest(): string {
    return digest(this.#manifest);
  }

  /** Sends the rest of what it has stalled. */
  goOn(): void {
    this.mood = {};
    for (const go of this.#stalled.splice(0)) go();
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', method = '' } = request;
    const { wants, status } = this.mood;
    this.requests.push(`${method} ${url}`);
    if (status !== undefined) {
      send(response, status, 'no', {});
      return;
    }
    const { authorization } = request.headers;
    if (authorization !== undefined) this.told.push(authorization);
    if (wants !== undefined && authorization !== `Basic ${Buffer.from(wants).toString('base64')}`) {
      const errors = [{ code: 'UNAUTHORIZED', message: 'authentication required' }];
      send(response, 401, JSON.stringify({ errors }), { 'www-authenticate': 'Basic realm="stub"' });
      return;
    }
    if (/^\/v2\/?$/.test(url)) {
      send(response, 200, '{}', {});
      return;
    }
    if (url.includes('/manifests/')) {
      send(response, 200, method === 'HEAD' ? '' : this.#manifest, {
        'content-type': TYPES.manifest,
        'docker-content-digest': this.digest,
        'content-length': String(this.#manifest.length),
      });
      return;
    }
    const wanted = /\/blobs\/(.+)$/.exec(url)?.[1] ?? '';
    const blob = this.#blobs.get(wanted);
    if (blob === undefined) {
      send(response, 404, '{}', {});
      return;
    }
    if (wanted === this.#layer && (this.mood.breaksOff === true || this.mood.stalls === true)) {
      response.writeHead(200, { 'content-length': String(blob.length) });
      const half = Math.floor(blob.length / 2);
      response.write(blob.subarray(0, half), () => {
        if (this.mood.breaksOff === true) response.destroy();
        else this.#stalled.push(() => response.end(blob.subarray(half)));
      });
      return;
    }
    send(response, 200, blob, { 'content-length': String(blob.length) });
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body);
}

function digest(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
