import { readFileSync } from 'node:fs';
import { backendFacts } from '../backends/registry.ts';
import { bwrapFacts } from '../backends/sandbox/bwrap-facts.ts';
import { createCgroups } from '../host/cgroup/cgroup.ts';
import type { MachineFact, MachineView } from '../core/machine-fact.ts';

type Env = Readonly<Record<string, string | undefined>>;

const THIS_MACHINE: MachineView = {
  platform: process.platform,
  readText(path) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },
};

/** What services can be run by and kept in besides plain processes. Nothing is installed, and nothing is left behind. */
export async function engineFacts(env: Env, machine = THIS_MACHINE): Promise<readonly MachineFact[]> {
  const isLinux = machine.platform === 'linux';
  const [backends, sandbox] = await Promise.all([
    backendFacts(env, machine),
    isLinux ? bubblewrapFact(env, machine) : sandboxExecFact(machine),
  ]);
  return [...backends, sandbox, ...(isLinux ? [groupsFact()] : [])];
}

async function bubblewrapFact(env: Env, { readText }: MachineView): Promise<MachineFact> {
  const name = 'bubblewrap';
  const facts = await bwrapFacts({ env, readText });
  if (facts.kind === 'missing') return { name, state: 'weak', found: facts.reason, hint: facts.help };
  if (facts.kind === 'blocked') {
    return { name, state: 'weak', found: `${facts.path}: ${facts.reason}`, hint: facts.help };
  }
  const how = process.geteuid?.() === 0 ? 'as root' : 'by user namespaces';
  const found = `${facts.version} (${facts.path}), sandboxes and mounts work, ${how}`;
  if (facts.options.has('--size')) return { name, state: 'good', found };
  return { name, state: 'weak', found, hint: 'from 0.7 on it can bound the size of a tmpfs mount' };
}

function sandboxExecFact({ readText }: MachineView): MachineFact {
  const name = 'sandbox-exec';
  const path = '/usr/bin/sandbox-exec';
  if (readText(path) !== undefined) return { name, state: 'good', found: path };
  return {
    name,
    state: 'weak',
    found: 'not there',
    hint: 'it is a part of macOS; without it `sandbox` is refused',
  };
}

/** Makes a group and removes it at once: nothing else tells whether that can be done. */
function groupsFact(): MachineFact {
  const name = 'limits';
  const made = createCgroups().make(`doctor-${process.pid}`, { memory: 16 * 1024 * 1024, cpus: 1 });
  if (made.ok) {
    made.value?.remove();
    return { name, state: 'good', found: 'memory and cpus can be held by control groups' };
  }
  const { message, help } = made.error;
  return { name, state: 'weak', found: message, ...(help === undefined ? {} : { hint: help }) };
}
