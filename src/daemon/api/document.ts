/** The contract as it is served: in a script of its own, which only those load who are asked for it. */
import document from '../../../schema/api.json' with { type: 'json' };

export { document };
