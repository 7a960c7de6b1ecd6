// Prints "N passed, N failed" from the test runner's report. Fails when a test failed, or none ran.
import { readFileSync } from 'node:fs';

const { numPassedTests, numFailedTests, success } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
console.log(`${numPassedTests} passed, ${numFailedTests} failed`);
process.exit(success && numPassedTests > 0 && numFailedTests === 0 ? 0 : 1);
