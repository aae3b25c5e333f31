// `mte-relay doctor`: tests a deployment from outside, in the order in which a first request would meet faults: reach,
// discovery, pin, checks without a session, pairing, checks with a session.
import { readFileSync } from 'node:fs';
import { nodeSuite } from '@mte-relay/protocol/node';
import { checkForeignOrigin, checkOrigin, checkWebSocket } from './doctor/checks/browser.ts';
import { checkDiscovery, checkEcho, checkPin, checkUnsealed } from './doctor/checks/discovery.ts';
import { checkAdminPort } from './doctor/checks/exposure.ts';
import { checkResponseStreaming, checkUploadStreaming, checkUploads } from './doctor/checks/middlebox.ts';
import { checkCertificate, checkPlainHttp, checkReach } from './doctor/checks/reach.ts';
import {
  checkPairing,
  checkPods,
  checkReplay,
  checkRoundTrip,
  checkTiming,
  checkUpstream,
} from './doctor/checks/sealed.ts';
import type { Examination } from './doctor/examination.ts';
import { Hop } from './doctor/hop.ts';
import { DOCTOR_HELP, type DoctorOptions, doctorOptions } from './doctor/options.ts';
import { lineOf, Report } from './doctor/report.ts';
import { UsageError } from './exit.ts';

/** Runs the subcommand; resolves with the exit code. */
export async function runDoctor(args: readonly string[]): Promise<number> {
  const options = doctorOptions(args);
  if (!options) {
    process.stdout.write(DOCTOR_HELP);
    return 0;
  }
  const report = new Report((finding) => {
    if (!options.json) process.stdout.write(`${lineOf(finding)}\n`);
  });
  await examine(options, report);
  const { findings, summary, exitCode } = report;
  const json = { url: options.url.origin, time: new Date().toISOString(), exitCode, summary, findings };
  process.stdout.write(options.json ? `${JSON.stringify(json, null, 2)}\n` : `${summary}\n`);
  return exitCode;
}

async function examine(options: DoctorOptions, report: Report): Promise<void> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const hop = new Hop(options.url, signal);
  const examination: Examination = {
    options,
    hop,
    suite: nodeSuite(),
    report,
    ca: authorities(options.caFile),
    tlsProven: false,
    keys: [],
    trusted: undefined,
    session: undefined,
  };
  try {
    await runChecks(examination, signal);
  } finally {
    hop.close();
  }
  if (signal.aborted) report.fail('time limit', `timed out after ${options.timeoutMs / 1000} s`, 'raise --timeout');
}

async function runChecks(examination: Examination, signal: AbortSignal): Promise<void> {
  const run = async (checks: readonly ((on: Examination) => Promise<void>)[]): Promise<void> => {
    for (const check of checks) if (!signal.aborted) await check(examination);
  };
  if (!(await checkReach(examination))) return;
  await run([checkCertificate, checkPlainHttp]);
  if (!(await checkDiscovery(examination))) return;
  const isPinned = checkPin(examination);
  await run([checkEcho, checkUnsealed, checkOrigin, checkForeignOrigin, checkWebSocket, checkAdminPort]);
  if (!isPinned) return examination.report.skip('pairing', 'the doctor does not seal to a key that is not pinned');
  if (signal.aborted || !(await checkPairing(examination)) || !(await checkRoundTrip(examination))) return;
  await run([checkReplay, checkPods, checkUploadStreaming, checkUploads, checkTiming]);
  await run([checkUpstream, checkResponseStreaming]);
}

function authorities(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`ca: ${(cause as Error).message}`, DOCTOR_HELP, { cause });
  }
}
