import type { IpAddress, Logger } from '@cilium-ts/core';
import type { Datapath } from '@cilium-ts/datapath-programs';
import type { IdentityAllocator, LabelFilter } from '@cilium-ts/identity';
import type { Netlink } from '@cilium-ts/netlink';
import type { PolicyWriter } from '../compile/policy-writer.ts';
import type { Failpoint } from '../lifecycle/failpoint.ts';
import type { DocumentFolder } from '../state/document-folder.ts';
import type { EndpointRecord } from '../state/schemas.ts';
import type { EndpointTable } from './endpoint-table.ts';
import type { EndpointResources } from './resources.ts';

/** What everything that deals with endpoints works with. */
export interface EndpointContext {
  readonly logger: Logger;
  readonly endpoints: EndpointTable;
  readonly resources: EndpointResources;
  readonly identities: IdentityAllocator;
  readonly filter: LabelFilter;
  readonly records: DocumentFolder<EndpointRecord>;
  /** A socket in the node's namespace. */
  readonly netlink: Netlink;
  readonly nodeNamespaceId: string;
  readonly datapath: Pick<Datapath, 'attach' | 'detach'>;
  readonly writer: Pick<PolicyWriter, 'commit'>;
  readonly failpoint: Failpoint;
  readonly clusterName: string;
  readonly mtu: number;
  readonly router4: IpAddress | undefined;
  readonly router6: IpAddress | undefined;
  /** Tells those who watch the monitor. */
  readonly announce: (kind: string, message: string, endpointId: number) => void;
}
