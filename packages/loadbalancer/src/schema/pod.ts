import { z } from 'zod';
import { metadataSchema } from './metadata.ts';

const port = z.int().min(1).max(65535);

const containerPortSchema = z.object({
  name: z.string().optional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
  containerPort: port,
  hostPort: z.int().min(0).max(65535).optional(),
  hostIP: z.string().optional(),
});

/** Pod of `v1`. A pod says much that is none of the balancer's business: only what it reads is checked. */
export const podSchema = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: metadataSchema,
  spec: z.object({
    nodeName: z.string().optional(),
    hostNetwork: z.boolean().optional(),
    containers: z.array(z.object({ ports: z.array(containerPortSchema).nullish() })).nullish(),
  }),
  status: z
    .object({
      podIP: z.string().optional(),
      podIPs: z.array(z.object({ ip: z.string() })).nullish(),
      phase: z.string().optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).nullish(),
    })
    .nullish(),
});
export type PodObject = z.infer<typeof podSchema>;
