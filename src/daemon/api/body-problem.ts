import { expected } from './expected.ts';
import type { BodyError } from './generated/requests.js';

/** One sentence that names the place and what was expected there, never the value: it may be a secret. */
export function bodyProblem(error: BodyError): string {
  const at = placeOf(error);
  const { keyword, params, parentSchema } = error;
  switch (keyword) {
    case 'required':
      return `${at}.${String(params['missingProperty'])} is missing`;
    case 'additionalProperties':
      return `${at} has an unknown member ${clip(String(params['additionalProperty']))}`;
    case 'discriminator':
      return `${at}.${String(params['tag'])} must be ${expected({ enum: parentSchema.tags ?? [] })}`;
    default:
      return `${at} must be ${expected(parentSchema)}`;
  }
}

/** `body.load.files[0]`, or `body.hostEnv."PORT"` where the client chose the name. */
function placeOf({ instancePath, schemaPath }: BodyError): string {
  const isChosen = /\/additionalProperties\/\w+$/.test(schemaPath);
  const steps = instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps.reduce((at, step, index) => {
    if (isChosen && index === steps.length - 1) return `${at}.${clip(step)}`;
    return /^[0-9]+$/.test(step) ? `${at}[${step}]` : `${at}.${step}`;
  }, 'body');
}

/** A name as the client wrote it, short enough for a message. */
function clip(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}...` : key);
}
