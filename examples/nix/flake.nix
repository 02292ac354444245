{
  description = "A development shell of what is in this folder, without any inputs";

  outputs =
    { self }:
    let
      # A bare derivation in place of nixpkgs' mkShell: nix asks its builder, a bash, for the environment.
      shell =
        system:
        derivation {
          name = "shell";
          inherit system;
          builder = "/bin/bash";
          outputs = [ "out" ];
          PATH = "${./bin}";
          GREETING = "hello from the nix shell";
        };
    in
    {
      devShells.x86_64-linux.default = shell "x86_64-linux";
      devShells.aarch64-linux.default = shell "aarch64-linux";
      devShells.x86_64-darwin.default = shell "x86_64-darwin";
      devShells.aarch64-darwin.default = shell "aarch64-darwin";
    };
}
