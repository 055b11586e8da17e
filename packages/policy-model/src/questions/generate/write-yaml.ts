/** Values that {@link writeYaml} can write. */
export type YamlValue = string | number | boolean | readonly YamlValue[] | { readonly [key: string]: YamlValue };

/** Words that YAML's readers take for something else than text. */
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n|~)$/i;

/** Three dots make no number. */
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}(?:\/\d{1,2})?$/;

/** The value as YAML in block style, in the order of its keys. Texts that could be misread are quoted. */
export function writeYaml(value: YamlValue): string {
  return `${lines(value, '').join('\n')}\n`;
}

function lines(value: YamlValue, indent: string): string[] {
  if (Array.isArray(value)) {
    return (value as readonly YamlValue[]).flatMap((item) => {
      if (isScalar(item)) return [`${indent}- ${scalar(item)}`];
      const [first, ...rest] = lines(item, `${indent}  `);
      return [`${indent}- ${first!.slice(indent.length + 2)}`, ...rest];
    });
  }
  return Object.entries(value).flatMap(([key, item]) => {
    const name = `${indent}${scalar(key)}:`;
    if (isScalar(item)) return [`${name} ${scalar(item)}`];
    return [name, ...lines(item, `${indent}  `)];
  });
}

/** Empty lists and maps have no block style. */
function isScalar(value: YamlValue): value is string | number | boolean {
  return typeof value !== 'object' || (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0);
}

function scalar(value: YamlValue): string {
  if (typeof value === 'object') return Array.isArray(value) ? '[]' : '{}';
  if (typeof value !== 'string') return String(value);
  const plain = (/^[A-Za-z_][\w./-]*(?::[\w./-]+)*$/.test(value) && !WORDS.test(value)) || IPV4.test(value);
  return plain ? value : JSON.stringify(value);
}
