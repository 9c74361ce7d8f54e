/** What failures are told as: with the words that fit what is behind the device. */
import { ENODEV, EINVAL } from '../base/errno.js';
import { codeOf, NvmemError, saysOf, type NvmemErrorDetails } from '../base/errors.js';
import { goneHint, partWords } from '../base/part_words.js';
import type { Failure, Operation } from './operation.js';
import type { ProviderPort } from './provider_port.js';
import type { WriteEnd } from './transfer.js';

/** Whose failures they are. */
interface Failing {
  readonly facts: { readonly name: string };
  readonly port: Pick<ProviderPort, 'isPart'>;
  /** Why the provider is gone, in a few words; undefined while it is there. */
  readonly gone: string | undefined;
}

export class DeviceErrors {
  constructor(private readonly device: Failing) {}

  error(operation: Operation, failure: Failure, details?: NvmemErrorDetails): NvmemError {
    return operation.error(this.#told(failure), details);
  }

  writeError(operation: Operation, end: WriteEnd): NvmemError {
    const { failure, stored, committed, uncertain, untouched, mismatchOffset, mismatchCount } = end;
    return this.error(operation, failure ?? { status: EINVAL }, {
      bytesTransferred: stored,
      committed,
      uncertain,
      untouched,
      mismatchOffset,
      mismatchCount,
      protectError: this.protectError(end.protectStatus),
    });
  }

  protectError(status: number): NvmemError | undefined {
    if (status === 0) return undefined;
    const code = codeOf(status);
    const { name } = this.device.facts;
    const message = `${saysOf(code)}, putting write protect of ${name} back up: it is NOT protected`;
    return new NvmemError(code, message, { errno: status, syscall: 'protect', device: name });
  }

  #told(failure: Failure): Failure {
    const { gone, port } = this.device;
    const isGone = failure.status === ENODEV;
    const reason = isGone && (failure.reason ?? '') === '' ? gone : failure.reason;
    const words = port.isPart ? partWords(codeOf(failure.status)) : undefined;
    const hint = failure.hint ?? (isGone ? goneHint(gone ?? reason) : undefined) ?? words?.hint;
    return { ...failure, reason, says: failure.says ?? words?.says, hint };
  }
}
