import { createServer as createHttp, type RequestListener, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';

/** Servers of a test, each on a port of its own, with what they have seen; closed together. */
export class Servers {
  readonly #open: { readonly server: Server | HttpServer; readonly sockets: Set<Socket> }[] = [];

  /** Answers the port. */
  http(listener: RequestListener, host = '127.0.0.1'): Promise<number> {
    return this.#listen(createHttp(listener), host);
  }

  tcp(listener: (socket: Socket) => void = () => {}, host = '127.0.0.1'): Promise<number> {
    return this.#listen(
      createTcp((socket) => {
        socket.resume();
        listener(socket);
      }),
      host,
    );
  }

  /** Connections that are open on the servers' side. */
  get connections(): number {
    return this.#open.reduce((sum, { sockets }) => sum + sockets.size, 0);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#open.splice(0).map(({ server, sockets }) => {
        for (const socket of sockets) socket.destroy();
        return new Promise((resolve) => server.close(resolve));
      }),
    );
  }

  #listen(server: Server | HttpServer, host: string): Promise<number> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    });
    this.#open.push({ server, sockets });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, host, () => resolve((server.address() as AddressInfo).port));
    });
  }
}
