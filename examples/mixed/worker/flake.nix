# A shell without inputs, so that nothing has to be fetched: a bare derivation whose attributes become variables. Of a
# shell with programs one would write `pkgs.mkShell { packages = [ pkgs.nodejs ]; }`, with nixpkgs as an input.
{
  outputs = { self }:
    let
      shell = system: derivation {
        name = "worker-shell";
        inherit system;
        builder = "/bin/bash";
        outputs = [ "out" ];
        WORKER_PAUSE_MS = "1000";
      };
    in {
      devShells.x86_64-linux.default = shell "x86_64-linux";
      devShells.aarch64-linux.default = shell "aarch64-linux";
    };
}
