import { resolveShape } from '../generated/validator.js';
import type { Shape } from '../generated/validator.js';

/** The shape of a list's items, or of what stands under a key; empty where the schema knows nothing of it. */
export function shapeBelow(of: Shape, key: string, inList: boolean): Shape {
  const shape = resolveShape(of);
  if (inList) return shape.items ?? {};
  const known = shape.keys !== undefined && Object.hasOwn(shape.keys, key) ? shape.keys[key] : undefined;
  return known ?? shape.any ?? {};
}
