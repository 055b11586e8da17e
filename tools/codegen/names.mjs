/** policy_key -> policyKey */
export function camel(name) {
  return name.replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

/** policy_key -> PolicyKey */
export function pascal(name) {
  const text = camel(name);
  return text[0].toUpperCase() + text.slice(1);
}

/** policy_key -> POLICY_KEY */
export function constant(name) {
  return name.toUpperCase();
}

/** `name` without the words that all of `names` begin with. */
export function withoutCommonPrefix(name, names) {
  const words = names.map((each) => each.split('_'));
  let common = 0;
  while (words.every((each) => each.length > common + 1 && each[common] === words[0][common])) common++;
  return name.split('_').slice(common).join('_');
}
