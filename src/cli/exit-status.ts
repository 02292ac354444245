import type { Exit } from '../core/exit.ts';

/** What the exit statuses of the command line mean. `setpoint help exit-status` prints this. */
export const EXIT = {
  ok: 0,
  /** Something failed, is not up, or could not be stopped. */
  failure: 1,
  /** Bad usage, or a manifest with errors; nothing was changed. */
  usage: 2,
  /** `plan` alone: the project differs from its manifest. */
  drift: 2,
  /** No project found, or the project does not run where it has to. */
  notRunning: 3,
  /** The time given with --timeout ran out; the status timeout(1) uses. */
  timedOut: 124,
  /** 128 + SIGINT: interrupted before the command was through. */
  interrupted: 130,
  /** 128 + SIGTERM: told to end before the command was through. */
  terminated: 143,
} as const;

declare const passedOn: unique symbol;

/** The status that a service's run ended with, which `attach` ends with, too. */
export type ServiceStatus = number & { readonly [passedOn]: true };

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT] | ServiceStatus;

/** As a shell has it: a run's status, 128 + n for signal n, and 1 where there is neither. */
export function serviceStatus(exit: Exit, signalNumbers: Readonly<Record<string, number>>): ServiceStatus {
  const signal = exit.kind === 'signal' ? signalNumbers[exit.signal] : undefined;
  const status = exit.kind === 'code' ? exit.code : signal === undefined ? EXIT.failure : 128 + signal;
  return status as ServiceStatus;
}

export const EXIT_STATUS_HELP = `Exit statuses

  0    all went well; for \`plan\`: nothing to do; for a followed stream: also when ended with Ctrl-C
  1    something failed: a service failed or was skipped, something could not be stopped, the
       daemon refused; for \`doctor\`: something essential is missing
  2    bad usage, an unknown service, or a manifest with errors (nothing was changed);
       for \`plan\`: there is something to do (its errors are 1)
  3    there is no such project, or it is not running and the command needs it to
  124  the time given with --timeout ran out
  130  interrupted with Ctrl-C before the command was through
  143  ended by SIGTERM before the command was through

An attached \`up\` ends with 0 after an orderly shutdown by Ctrl-C, and when every service has
completed by itself; with 1 when a service failed or was skipped, or something could not be stopped.

\`attach\` ends with the status of the run that it is attached to, 128 + n where signal n ended that;
with 0 when it leaves before.
`;
