# Takes a second to warm up, and leaves a sign of it.
mkdir -p data
sleep 1
echo 'warm' | tee data/warm
exec sleep 100000
