import { err, ok, type Result } from '../../core/util/result.ts';
import type { BackendName, SandboxSpec } from '../../core/service.ts';
import type { HonouredPort, PortForm, PortProblem } from '../keys/port-forms.ts';
import { unsupportedPort } from '../keys/port-forms.ts';
import { statedHealthcheck } from '../keys/probes.ts';
import type { RawService } from '../keys/services.ts';
import type { HonourScope, SettingsScope } from './dialect.ts';
import { hasKey, refuse } from './refuse.ts';
import { sandboxOf } from './sandbox.ts';

/** What all backends have in common that run processes of the machine. */

export function lackOfCommand(name: BackendName, { node }: RawService): string | undefined {
  return hasKey(node, 'command') ? undefined : `${name} has no \`command\``;
}

export function honourMachinePort(form: PortForm, name: BackendName): Result<HonouredPort, PortProblem> {
  if (form.kind === 'given') return ok({ port: 'auto', published: false, protocol: 'tcp' });
  const { target, published, hostIp, protocol, ranged } = form;
  if (protocol === 'udp') {
    return err(unsupportedPort(`uses udp, but the ${name} backend only looks after TCP ports`));
  }
  if (hostIp !== undefined) {
    const why = `names an address, but on the ${name} backend the service itself chooses where it listens`;
    return err(unsupportedPort(why));
  }
  if (ranged) {
    const why = `is a range, which the ${name} backend does not know`;
    return err(unsupportedPort(why, 'give each port its own entry'));
  }
  if (published === 'none') {
    const why = `is not published, which the ${name} backend cannot do: what a process listens on is there`;
    return err(unsupportedPort(why));
  }
  if (published === 'unsaid' || published === target) {
    return ok({ port: target, published: false, protocol });
  }
  const instead =
    published === 'auto'
      ? 'write `auto` and let the service listen on PORT'
      : `write ${published} and let the service listen there`;
  return err(unsupportedPort(`maps one port to another, which the ${name} backend cannot do`, instead));
}

export function refuseHealthcheck(scope: HonourScope): void {
  const { service } = scope;
  for (const key of ['ready', 'live'] as const) {
    const place = statedHealthcheck(key, service);
    if (place === undefined) continue;
    refuse(`${key}: healthcheck`, place, 'only a container has a healthcheck', scope);
  }
}

export function sandboxPart({ service, facts, io, reader }: SettingsScope): {
  readonly sandbox?: SandboxSpec;
} {
  const sandbox = sandboxOf(service, facts.ports, io, reader);
  return sandbox === undefined ? {} : { sandbox };
}
