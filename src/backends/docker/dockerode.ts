/** The one place of the package: its types, and the loading of it when the first request is made. */
import type Docker from 'dockerode';

export type {
  ContainerCreateOptions,
  ContainerInfo,
  ContainerInspectInfo,
  DockerOptions,
  HealthConfig,
  HostConfig,
  MountSettings,
  NetworkCreateOptions,
  VolumeInspectInfo,
} from 'dockerode';
export type { Docker };

/** About 100 ms the first time. */
export async function loadDockerode(): Promise<typeof Docker> {
  return (await import('dockerode')).default;
}
