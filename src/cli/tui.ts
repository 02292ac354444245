import { dirname } from 'node:path';
import { applyRequest, type Common, type LoadOptions, notRunning, reach, withDaemon } from './common.ts';
import { fail } from './context.ts';
import { EXIT, type ExitStatus } from './exit-status.ts';
import { reportDown } from './bring-down.ts';
import { keepsRunningText } from './up-tui.ts';
import { stoppedText } from '../words/instances.ts';

/** Shows a project that runs on the whole terminal, until it is left. */
export async function tui(common: Common, options: LoadOptions): Promise<ExitStatus> {
  const { context, services } = common;
  if (!context.isTTY || !context.stdin.isTTY) {
    const next = '`setpoint status`, `setpoint logs -f` and `setpoint events -f` need none';
    return fail(context, { message: 'tui needs a terminal', next }, EXIT.usage);
  }
  return withDaemon(common, async (client, location) => {
    const end = await services.tui({
      client,
      reconnect: () => reach(common, location, 'silent'),
      request: applyRequest(common, location, options, []),
      manifest: location.manifest,
      cwd: dirname(location.manifest),
    });
    switch (end.kind) {
      case 'quit':
        context.stdout.write(`${stoppedText(location.name, end.response, end.tookMs)}\n`);
        return reportDown(context, location, end.response);
      case 'daemon-ended':
        if (end.last === undefined) return notRunning(context, location);
        context.stdout.write(
          `${location.name} was brought down: ${end.last.shutdown?.reason ?? 'asked for elsewhere'}\n`,
        );
        return EXIT.ok;
      case 'detached':
        if (end.last !== undefined) context.stdout.write(`${keepsRunningText(end.last)}\n`);
        return EXIT.ok;
      case 'signal':
        // Without a lease, the end of this process is the end of nothing else.
        return EXIT.terminated;
    }
  });
}
