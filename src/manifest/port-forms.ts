import { err, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';

interface PortProblem {
  readonly code: 'bad-port' | 'unsupported-port-form';
  /** Follows the name of the entry. */
  readonly message: string;
  readonly note?: string;
}

/** Reads an entry of Compose's list form as far as a process on the host itself can honour it: `8080`, `8080:8080`. */
export function parsePortItem(text: string): Result<number, PortProblem> {
  const [, host, published, target, protocol] =
    /^(?:(\[[^\]]*\]|[^:[\]]+):)?(?:([0-9-]*):)?([0-9-]+)(\/[a-z]+)?$/i.exec(text) ?? [];
  if (target === undefined) {
    return err({ code: 'bad-port', message: 'is not a port', note: 'expected a port such as 8080' });
  }
  const outer = published ?? (host !== undefined && /^[0-9-]+$/.test(host) ? host : undefined);
  const address = published !== undefined || outer === undefined ? host : undefined;
  if (protocol !== undefined && protocol.toLowerCase() !== '/tcp') {
    return err(unsupported(`uses ${protocol.slice(1)}, but the native backend only looks after TCP ports`));
  }
  if (address !== undefined) {
    return err(
      unsupported('names an address, but on the native backend the service itself chooses where it listens'),
    );
  }
  if (target.includes('-') || outer?.includes('-') === true) {
    return err(
      unsupported('is a range, which the native backend does not know', 'give each port its own entry'),
    );
  }
  if (outer !== undefined && outer !== '' && outer !== target) {
    return err(
      unsupported(
        'maps one port to another, which the native backend cannot do',
        `write ${outer} and let the service listen there`,
      ),
    );
  }
  const port = Number(target);
  if (port >= 1 && port <= 65_535) return ok(port);
  return err({ code: 'bad-port', message: 'is not a port', note: 'expected a port from 1 to 65535' });
}

function unsupported(message: string, note?: string): PortProblem {
  return { code: 'unsupported-port-form', message, ...(note === undefined ? {} : { note }) };
}
