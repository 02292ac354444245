import type { ServiceSnapshot } from '../core/api.ts';
import type { InstanceSnapshot } from '../core/event.ts';
import type { UpdateResult } from './message.ts';
import { nameOf, type State } from './state.ts';
import { doing, noticed, only } from './update-result.ts';

interface SelectedInstance {
  readonly service: ServiceSnapshot;
  readonly instance: InstanceSnapshot;
}

/** The instance that actions on a service mean. */
export function selectedOf(state: State): SelectedInstance | undefined {
  for (const service of state.snapshot?.services ?? [])
    for (const instance of service.instances)
      if (instance.id === state.selected) return { service, instance };
  return undefined;
}

export type ServiceAction = 'start' | 'stop' | 'restart' | 'kill' | 'scale-up' | 'scale-down' | 'attach';

/** What an action on the selected service makes of the state. */
export function onService(state: State, action: ServiceAction): UpdateResult<State> {
  const selected = selectedOf(state);
  if (selected === undefined) return only(noticed(state, 'error', 'no service is selected'));
  const { service, instance } = selected;
  const name = nameOf(state, instance.id);
  const chosen = { names: [instance.id], labels: [] };
  switch (action) {
    case 'start':
      return doing(state, {
        type: 'act',
        request: { action, select: chosen, withDependencies: true },
        said: `${name}: starting`,
      });
    case 'stop':
      return doing(state, { type: 'act', request: { action, select: chosen }, said: `${name}: stopping` });
    case 'restart':
      return doing(state, { type: 'act', request: { action, select: chosen }, said: `${name}: restarting` });
    case 'kill':
      return signalled(state, 'SIGKILL');
    case 'scale-up':
      return scaled(state, service.replicas + 1);
    case 'scale-down':
      return scaled(state, Math.max(0, service.replicas - 1));
    case 'attach':
      if (service.input === undefined)
        return only(
          noticed(state, 'error', `${name} has nothing to type into: give it tty: true or stdin: pipe`),
        );
      if (instance.state.kind !== 'running') return only(noticed(state, 'error', `${name} does not run`));
      if (service.input === 'pipe') return only({ ...state, prompt: { kind: 'input', text: '' } });
      return doing(state, { type: 'attach', instance: instance.id });
  }
}

export function signalled(state: State, signal: string): UpdateResult<State> {
  const selected = selectedOf(state);
  if (selected === undefined) return only(noticed(state, 'error', 'no service is selected'));
  const { id } = selected.instance;
  const request = { action: 'kill', select: { names: [id], labels: [] }, signal } as const;
  return doing(state, { type: 'act', request, said: `${nameOf(state, id)}: sent ${signal}` });
}

export function scaled(state: State, replicas: number): UpdateResult<State> {
  const selected = selectedOf(state);
  if (selected === undefined) return only(noticed(state, 'error', 'no service is selected'));
  const { id, replicas: from } = selected.service;
  const request = { action: 'scale', service: id, replicas } as const;
  return doing(state, { type: 'act', request, said: `${id}: ${from} -> ${replicas}` });
}
