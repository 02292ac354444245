import type { ProjectEventBody } from '../core/event.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import type { Store } from '../ports/store.ts';

/** Puts what happened in the journal, and where; without a place it is of the project as a whole. Never throws. */
export type Tell = (
  body: ProjectEventBody,
  at?: { readonly service?: ServiceId; readonly instance?: InstanceId },
) => void;

export function tellerOf(store: Pick<Store, 'append'>): Tell {
  return (body, { service, instance } = {}) => {
    store.append(body, {
      ...(service === undefined ? {} : { service }),
      ...(instance === undefined ? {} : { instance }),
    });
  };
}
