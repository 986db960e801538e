import { z } from 'zod';

/** How a value is written, and what it becomes. Strings come from flags, variables and files alike; files may also say numbers. */
export interface Kind<Value> {
  readonly schema: z.ZodType<Value>;
  /** "it takes ..." */
  readonly takes: string;
  /** What --help shows for the value; undefined for what is just said. */
  readonly placeholder?: string;
  /** Whether it may be given several times. */
  readonly many?: boolean;
}

const numeric = z.union([z.number(), z.string().trim().min(1).transform(Number)]).pipe(z.number());

export const flag: Kind<boolean> = {
  schema: z.union([z.boolean(), z.stringbool()]),
  takes: 'true or false',
};

export const text = (takes: string, placeholder: string): Kind<string> => ({
  schema: z.string().trim().min(1),
  ...{ takes, placeholder },
});

export const whole = (least: number, most: number): Kind<number> => ({
  schema: numeric.pipe(z.int().min(least).max(most)),
  takes: `a whole number from ${least} to ${most}`,
  placeholder: 'n',
});

export const real = (least: number, most: number, placeholder = 'x'): Kind<number> => ({
  schema: numeric.pipe(z.number().min(least).max(most)),
  takes: `a number from ${least} to ${most}`,
  placeholder,
});

/** Many values need a `placeholder` that stands for them: beside wide terms --help cannot break its lines. */
export const choice = <const Values extends readonly [string, ...string[]]>(
  values: Values,
  placeholder = values.join('|'),
): Kind<Values[number]> => ({
  schema: z.enum(values),
  takes: `one of ${values.join(', ')}`,
  placeholder,
});

/** A name, or a number: 'c7i.large', 0.5. */
export const nameOrNumber = (takes: string, placeholder: string): Kind<string | number> => ({
  schema: z.union([
    z.number().positive(),
    z
      .string()
      .trim()
      .min(1)
      .transform((given) => (Number.isFinite(Number(given)) ? Number(given) : given))
      .refine((value) => typeof value === 'string' || value > 0),
  ]),
  ...{ takes, placeholder },
});

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

function milliseconds(given: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(given.trim());
  return found === null ? Number.NaN : Number(found[1]) * MS[found[2] as keyof typeof MS];
}

const msSchema = z.union([z.number(), z.string().transform(milliseconds)]).pipe(z.number());
const TIME = 'a time such as 20ms, 5s or 2m (a plain number in a file: ms)';

/** ms. */
export const time = (least: number): Kind<number> => ({
  schema: msSchema.pipe(
    z
      .number()
      .min(least)
      .max(24 * MS.h),
  ),
  takes: least > 0 ? `${TIME}, more than 0` : TIME,
  placeholder: 'time',
});

const UNITS = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30 } as const;

function bytesIn(given: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(|B|KB|MB|GB|KiB|MiB|GiB)$/i.exec(given.trim());
  return found === null
    ? Number.NaN
    : Math.floor(Number(found[1]) * UNITS[found[2]!.toUpperCase() as keyof typeof UNITS]);
}

export const bytes = (least: number): Kind<number> => ({
  schema: z.union([z.number(), z.string().transform(bytesIn)]).pipe(z.int().min(least)),
  takes: `a size such as 64MiB or 1GB, at least ${least} bytes`,
  placeholder: 'size',
});

/** What has a kind, or is not there at all. */
export const orOff = <Value>(kind: Kind<Value>): Kind<Value | 'off'> => ({
  ...kind,
  schema: z.union([z.literal('off'), z.literal(false).transform(() => 'off' as const), kind.schema]),
  takes: `${kind.takes}, or "off"`,
});

/** Several, as a list or separated by commas. */
export const list = (takes: string, placeholder: string): Kind<string[]> => ({
  schema: z
    .union([z.array(z.string()), z.string().transform((given) => given.split(','))])
    .pipe(z.array(z.string().trim().min(1))),
  ...{ takes, placeholder, many: true },
});

/** One for all, or one by the name of a model: 20ms, NAME=20ms. In a file also { NAME: '20ms' }; '' holds what is for all. */
export function byModel(one: Kind<number>): Kind<Record<string, number>> {
  const pair = (given: string): [string, string] => {
    const at = given.lastIndexOf('=');
    return at < 0 ? ['', given] : [given.slice(0, at), given.slice(at + 1)];
  };
  const pairs = (given: readonly string[]) => Object.fromEntries(given.map(pair));
  return {
    schema: z
      .union([
        z.number().transform((value) => ({ '': value })),
        z.string().transform((given) => pairs(given.split(','))),
        z.array(z.string()).transform(pairs),
        z.record(z.string(), z.unknown()),
      ])
      .pipe(z.record(z.string(), one.schema)),
    takes: `${one.takes}, or NAME=VALUE for one model`,
    placeholder: `[name=]${one.placeholder}`,
    many: true,
  };
}

const PAIRS = 'MODEL:INPUT=OUTPUT (in a file { MODEL: { INPUT: OUTPUT } })';

/** Which output of a model feeds which of its inputs at the next step: by model, by input. */
export const states: Kind<Record<string, Record<string, string>>> = {
  schema: z
    .union([
      z.union([z.array(z.string()), z.string().transform((given) => given.split(','))]).transform((given) => {
        const all: Record<string, Record<string, string>> = {};
        for (const one of given) {
          // The name of a model holds no ":"; those of tensors may.
          const [, model = '', input = '', output = ''] = /^([^:]+):(.+)=([^=]+)$/.exec(one.trim()) ?? [];
          all[model] = { ...all[model], [input]: output };
        }
        return all;
      }),
      z.record(z.string(), z.unknown()),
    ])
    .pipe(z.record(z.string().min(1), z.record(z.string().min(1), z.string().min(1)))),
  takes: PAIRS,
  placeholder: 'name:in=out',
  many: true,
};
