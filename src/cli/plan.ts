import type { PlanResponse, ProjectSnapshot } from '../core/api.ts';
import { formatSpan } from '../core/util/duration.ts';
import { planText } from '../words/plan.ts';
import { err, ok, type Result } from '../core/util/result.ts';
import {
  applyRequest,
  closing,
  loadRequest,
  locate,
  reach,
  type Common,
  type Format,
  type LoadOptions,
} from './common.ts';
import { fail, writeJson, type CliContext, type Problem } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { palette } from '../words/colour.ts';
import { diagnosticsText, hasErrors, tally } from '../words/diagnostics.ts';
import type { ProjectLocation } from '../store/locate.ts';
import { oneLine } from '../words/text.ts';
import { DEFAULT_BACKEND } from '../core/service.ts';
import { closest } from '../core/util/closest.ts';

export interface PlanOptions extends LoadOptions {
  /** `docker`: the equal `docker run` lines. */
  readonly format: Format | 'docker';
}

/** Shows what `up` would do, and changes nothing. 0: nothing; 2: something; 1: the plan cannot be made. */
export async function plan(
  common: Common,
  names: readonly string[],
  options: PlanOptions,
): Promise<ExitStatus> {
  const { context } = common;
  const located = await locate(common, true);
  if (!located.ok) return EXIT.failure;
  const asked = await ask(common, located.value, names, options);
  if (!asked.ok) return fail(context, asked.error, EXIT.failure);
  const { response, snapshot } = asked.value;
  if (options.format === 'json') writeJson(context, response);
  else if (options.format === 'docker') printCommandLines(context, response);
  else print(context, response, snapshot);
  if (hasErrors(response.diagnostics) || response.plan === undefined) return EXIT.failure;
  return response.plan.drift ? EXIT.drift : EXIT.ok;
}

async function ask(
  common: Common,
  location: ProjectLocation,
  names: readonly string[],
  options: PlanOptions,
): Promise<Result<{ readonly response: PlanResponse; readonly snapshot?: ProjectSnapshot }, Problem>> {
  const isForDocker = options.format === 'docker';
  // What a backend would do only a daemon can tell; one that nobody needs ends by itself.
  const client =
    (await reach(common, location)) ??
    (isForDocker ? (await common.services.ensureDaemon(location)).client : undefined);
  if (client !== undefined) {
    return closing(client, async () => {
      const snapshot = await client.snapshot();
      const request = applyRequest(common, location, options, names);
      const asked = isForDocker ? { ...request, commandLines: true } : request;
      return ok({ response: await client.plan(asked), snapshot });
    });
  }
  const loaded = await common.services.loadManifest(loadRequest(common, location, options, names));
  const known = loaded.services;
  const unknown = known === undefined ? undefined : names.find((name) => !known.includes(name));
  if (known !== undefined && unknown !== undefined) {
    const near = closest(unknown, known);
    const next = near === undefined ? `the services are: ${known.join(', ')}` : `did you mean \`${near}\`?`;
    return err({ message: `there is no service \`${unknown}\` in ${location.manifest}`, next });
  }
  const view = loaded.planAgainstNothing?.(names);
  // What its engine has of images, networks and volumes only a daemon can tell, too.
  if (view?.steps.some(({ backend }) => backend !== DEFAULT_BACKEND) === true) {
    const { client: begun } = await common.services.ensureDaemon(location);
    return closing(begun, async () =>
      ok({ response: await begun.plan(applyRequest(common, location, options, names)) }),
    );
  }
  return ok({ response: { diagnostics: loaded.diagnostics, ...(view === undefined ? {} : { plan: view }) } });
}

/** Each behind its instance's name as a comment, so that the whole is a script. */
function printCommandLines(context: CliContext, { diagnostics, commandLines = [] }: PlanResponse): void {
  if (diagnostics.length > 0) {
    context.stderr.write(`${diagnosticsText(diagnostics, context)}\n${tally(diagnostics) ?? ''}.\n`);
  }
  const parts = commandLines.map(({ instance, line }) => `# ${oneLine(instance)}\n${line}\n`);
  context.stdout.write(parts.join('\n'));
}

function print(context: CliContext, response: PlanResponse, snapshot: ProjectSnapshot | undefined): void {
  const { diagnostics } = response;
  if (diagnostics.length > 0) {
    context.stderr.write(`${diagnosticsText(diagnostics, context)}\n${tally(diagnostics) ?? ''}.\n`);
  }
  if (response.plan === undefined) return;
  const colours = palette(context.color);
  const paint = {
    start: colours.green,
    replace: colours.yellow,
    update: colours.cyan,
    stop: colours.red,
    forget: colours.red,
    none: colours.dim,
  };
  context.stdout.write(
    planText(response.plan, {
      colour: (kind, text) => paint[kind](text),
      upSince: (instance) => age(snapshot, instance),
    }),
  );
}

function age(snapshot: ProjectSnapshot | undefined, id: string): string | undefined {
  const found = snapshot?.services
    .flatMap(({ instances }) => instances)
    .find((instance) => instance.id === id);
  if (snapshot === undefined || found?.state.kind !== 'running') return undefined;
  return formatSpan(Math.max(0, snapshot.now - found.state.since), 'whole');
}
