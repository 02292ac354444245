import { meant } from '../check/hints.ts';
import type { BackendDialect } from './dialect.ts';
import { honourMachinePort, lackOfCommand, refuseHealthcheck, sandboxPart } from './on-machine.ts';

const name = 'native';
const NAMES = meant({ process: name, host: name, local: name });

/** A process of the machine, with nothing between. */
export const native: BackendDialect = {
  name,
  ownKeys: [],
  refusedKeys: {},
  commandPaths: [],
  hints: { backend: NAMES, concreteBackend: NAMES },
  claim: () => undefined,
  claimHelp: () => undefined,
  lack: (service) => lackOfCommand(name, service),
  available: () => ({ available: true, reason: 'it always is' }),
  honourPort: (form) => honourMachinePort(form, name),
  checkHonoured: refuseHealthcheck,
  settings: sandboxPart,
};
