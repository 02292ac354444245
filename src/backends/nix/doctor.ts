import { execFile } from 'node:child_process';
import type { MachineFact } from '../../core/machine-fact.ts';
import { nixFacts } from './facts.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Whether there is a nix that can evaluate flakes. */
export async function nixFact(env: Env): Promise<MachineFact> {
  const name = 'nix';
  const facts = await nixFacts({ env });
  if (facts.kind !== 'usable') return { name, state: 'weak', found: facts.reason, hint: facts.help };
  const found = `${facts.version} (${facts.path})`;
  const flakes = await evaluates(facts.path, env);
  if (flakes === undefined) return { name, state: 'good', found: `${found}, flakes work` };
  return { name, state: 'weak', found: `${found}: ${flakes.why}`, hint: flakes.hint };
}

interface Lack {
  readonly why: string;
  readonly hint: string;
}

/** Why flakes cannot be evaluated; a whole evaluation takes about a tenth of a second. */
function evaluates(nix: string, env: Env): Promise<Lack | undefined> {
  const features = ['--extra-experimental-features', 'nix-command flakes'];
  const expression = 'if builtins ? getFlake then "yes" else "no"';
  return new Promise((resolve) => {
    const args = [...features, 'eval', '--raw', '--expr', expression];
    execFile(nix, args, { timeout: 10_000, env: { ...env }, cwd: '/' }, (error, stdout, stderr) => {
      const said = firstLine(stderr.replaceAll(/\u001b\[[0-9;]*m/g, ''));
      if (error === null && stdout.trim() === 'yes') {
        resolve(said.includes('build-users-group') ? { why: said, hint: NO_BUILDERS } : undefined);
      } else if (error === null) {
        resolve({ why: 'it has no flakes', hint: 'allow them: experimental-features = nix-command flakes' });
      } else
        resolve({ why: said || error.message, hint: 'see that nix works for this user: `nix store ping`' });
    });
  });
}

const NO_BUILDERS =
  'create the group and its users, or set `build-users-group =` in nix.conf to build as this user';

function firstLine(text: string): string {
  const line = text.split('\n').find((each) => each.trim() !== '') ?? '';
  return line
    .trim()
    .replace(/^(error|warning): ?/, '')
    .slice(0, 200);
}
