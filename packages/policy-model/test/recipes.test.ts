import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { parsePolicies } from '../src/index.ts';
import { createRecipe } from './helpers/recipe.ts';
import type { RecipeFile } from './helpers/recipe.ts';

const FOLDER = join(import.meta.dirname, 'recipes');
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
const read = (name: string): RecipeFile => parse(readFileSync(join(FOLDER, name), 'utf8')) as RecipeFile;

test('there are as many recipes as the documentation promises', () => {
  const names = FILES.flatMap((file) => read(file).recipes.map(({ name }) => `${file}: ${name}`));
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(60);
});

describe.each(FILES)('%s', (file) => {
  const { scene, recipes } = read(file);
  describe.each(recipes)('$name', (recipe) => {
    test('is accepted as it is written', () => {
      const { resources, issues } = parsePolicies(recipe.policies, { file });
      expect(issues.filter(({ code }) => code !== 'suspicious')).toEqual([]);
      expect(resources).toHaveLength(recipe.policies.split(/^---$/m).length);
    });

    const { decide } = createRecipe(scene, recipe);
    test.each(Object.entries(recipe.verdicts))('%s: %s', (question, verdict) => {
      expect(decide(question)).toBe(verdict);
    });
  });
});
