// @ts-check
import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'coverage/', 'node_modules/', '.kernel-cache/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: 'error',
    },
  },
  {
    // Programs fake these in their tests, and the library waits for the real ones.
    files: ['lib/**/*.ts'],
    ignores: ['lib/base/timers.ts', 'lib/rig/timers.ts', 'lib/cli/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...[
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'setImmediate',
          'clearImmediate',
          'queueMicrotask',
          'performance',
        ].map((name) => ({ name, message: 'Take it from timers.ts, which has it as it was at load.' })),
      ],
      'no-restricted-imports': [
        'error',
        ...['timers', 'timers/promises', 'perf_hooks']
          .flatMap((name) => [name, `node:${name}`])
          .map((name) => ({ name, message: 'Take it from timers.ts, which has it as it was at load.' })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Use wallMs() of timers.ts.' },
        { object: 'AbortSignal', property: 'timeout', message: 'Use a Deadline.' },
        { object: 'process', property: 'hrtime', message: 'Use monotonicMs() of timers.ts.' },
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // expect.objectContaining() and its like are any.
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  {
    // The script of the report runs in a browser.
    files: ['lib/torture/report/*.js'],
    languageOptions: {
      sourceType: 'script',
      globals: Object.fromEntries(
        [
          ...['document', 'window', 'navigator', 'matchMedia', 'getComputedStyle', 'getSelection'],
          ...['Element', 'HTMLElement', 'EventSource', 'clearTimeout'],
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {
      globals: {
        setInterval: 'readonly',
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        URL: 'readonly',
        module: 'writable',
        require: 'readonly',
        __dirname: 'readonly',
        performance: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setImmediate: 'readonly',
        AbortController: 'readonly',
        AbortSignal: 'readonly',
      },
    },
  },
);
