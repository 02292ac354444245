import { err, ok, type Result } from '../../core/util/result.ts';
import type { EnvValue } from '../keys/environment.ts';
import type { HonouredPort, PortForm, PortProblem } from '../keys/port-forms.ts';
import { unsupportedPort } from '../keys/port-forms.ts';
import type { Limits, ProbeEntry, Service } from '../generated/manifest-types.ts';
import type { Node } from '../read/node.ts';
import { child } from '../keys/reader.ts';
import type { Reader } from '../keys/reader.ts';
import type { HonourScope } from './dialect.ts';
import { refuse } from './refuse.ts';

/** What all backends have in common that run containers. */

/** Keys that no container has, and what to do instead. */
export const notInContainers: Readonly<Record<string, string>> = {
  umask: 'the engine has no setting for it; set it in the command',
  socket: 'it is a path of the machine; mount its folder instead',
  path: 'its folders are of the machine; say `PATH` in `env`',
  requires: 'what the image holds is not known before it runs',
  nice: 'the engine has no setting for it; `limits: {cpus: ...}` is one',
};

/** Reports what a container cannot honour: these keys, and values of others. */
export function refuseInContainer(scope: HonourScope, keys: Readonly<Record<string, string>>): void {
  const { service, reader } = scope;
  const { node } = service;
  for (const [key, why] of Object.entries(keys)) {
    const entry = node.entries.get(key);
    if (entry !== undefined && !saysNothing(entry.value, reader)) refuse(key, entry.keyPlace, why, scope);
  }
  const inherit = child<Service>(node, 'inherit_env');
  if (inherit !== undefined && reader.boolean(inherit) === true) {
    refuse(
      'inherit_env: true',
      inherit.place,
      'a container inherits nothing; name the variables in a list',
      scope,
    );
  }
  const space = child<Limits>(child<Service>(node, 'limits'), 'address_space');
  if (space !== undefined) {
    const why = 'the engine has no setting for it; use `limits: {memory: ...}`';
    refuse('limits.address_space', space.place, why, scope);
  }
  refuseAppended(child<Service>(node, 'env_append'), scope.env, scope);
}

export function refuseNotify(scope: HonourScope): void {
  for (const key of ['ready', 'live'] as const) {
    const notify = child<ProbeEntry>(child<Service>(scope.service.node, key), 'notify');
    if (notify === undefined) continue;
    const why = 'its socket is not there inside; use another kind of probe';
    refuse(`${key}.notify`, notify.place, why, scope);
  }
}

/** What the image gives a variable is not known, so nothing can be put beside it. */
function refuseAppended(
  appended: Node | undefined,
  env: ReadonlyMap<string, EnvValue>,
  scope: HonourScope,
): void {
  for (const { key, keyPlace } of appended?.kind === 'map' ? appended.entries.values() : []) {
    if (env.has(key)) continue;
    const why = `what the image has in \`${key}\` is not known; say its whole value in \`env\``;
    refuse(`env_append.${key}`, keyPlace, why, scope);
  }
}

export function honourContainerPort(
  form: PortForm,
  mode: string | undefined,
): Result<HonouredPort, PortProblem> {
  if (form.kind === 'given') {
    return err(
      unsupportedPort(
        'does not say on which port the container listens',
        'write `auto:80`, with the port inside the container behind the colon',
      ),
    );
  }
  const { target, published, hostIp, protocol } = form;
  const inside = { container: target, protocol };
  if (mode === 'host') {
    if (hostIp === undefined && (published === target || published === 'none' || published === 'unsaid')) {
      return ok({ ...inside, port: target, published: false });
    }
    return err(
      unsupportedPort(
        'cannot be mapped: with `network_mode: host` the container listens on the machine itself',
        `write ${target}`,
      ),
    );
  }
  if (published === 'none') return ok({ ...inside, published: false });
  if (mode !== undefined && mode !== 'bridge') {
    return err(
      unsupportedPort(
        `cannot be published with \`network_mode: ${mode}\``,
        `write \`{target: ${target}, published: false}\``,
      ),
    );
  }
  return ok({
    ...inside,
    port: published === 'unsaid' ? 'auto' : published,
    published: true,
    ...(hostIp === undefined ? {} : { hostIp }),
  });
}

/** `false` and an empty list ask for nothing. */
function saysNothing(node: Node, reader: Reader): boolean {
  return node.kind === 'list' ? node.items.length === 0 : reader.boolean(node) === false;
}
